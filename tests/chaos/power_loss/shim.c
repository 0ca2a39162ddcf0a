/*
 * What a power loss would leave of an append-only file.
 *
 * Preloaded into the server, this library notes for every regular file below a directory named `appendonlydir` how many
 * of its bytes a finished fsync or fdatasync covers, as decimal text in `<file>.synced` beside it. A test kills the
 * server and cuts each file back to that length: the rest was only ever in the page cache, which a kill leaves and a
 * power loss takes.
 *
 * The size is taken before the sync begins, so that a byte written meanwhile counts as lost. The note is written with
 * one pwrite of fixed width, so that it is never half of two numbers. An older file descriptor's note may not take back
 * what a newer one said: lengths only grow, until the file shrinks.
 *
 *     cc -shared -fPIC -O2 -Wall -Werror -o shim.so shim.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/appendonlydir/"
#define SUFFIX ".synced"
#define WIDTH 20

typedef int (*sync_function)(int);

/* Put the path of an open append-only file into `path`; 0 where it is none. */
static int path_of(int fd, char *path, size_t room) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - sizeof SUFFIX);
    if (length <= 0) return 0;
    path[length] = '\0';
    return strstr(path, DIRECTORY) != NULL && strstr(path, SUFFIX) == NULL;
}

static void note(const char *path, long long size) {
    char name[PATH_MAX + sizeof SUFFIX], text[WIDTH + 1];
    snprintf(name, sizeof name, "%s" SUFFIX, path);
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(name);
        abort(); /* A note that is missing would let the test cut off what was safe. */
    }
    snprintf(text, sizeof text, "%0*lld", WIDTH, size);
    if (pwrite(fd, text, WIDTH, 0) != WIDTH) abort();
    close(fd);
}

static int noted(const char *function, int fd) {
    char path[PATH_MAX];
    struct stat before;
    sync_function real = (sync_function)dlsym(RTLD_NEXT, function);
    int ours = fstat(fd, &before) == 0 && S_ISREG(before.st_mode) && path_of(fd, path, sizeof path);
    int result = real(fd);
    if (ours && result == 0) note(path, (long long)before.st_size);
    return result;
}

int fsync(int fd) { return noted("fsync", fd); }
int fdatasync(int fd) { return noted("fdatasync", fd); }
