// The page is drawn on this machine only: nothing is minified, so that an error has a readable place.
export default {
  base: './',
  build: { minify: false, target: 'esnext', chunkSizeWarningLimit: 50_000 },
  define: { 'process.env.NODE_ENV': '"production"' },
};
