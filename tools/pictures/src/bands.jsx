// What @grafana/ui does not bring: the state timeline and the heat map (they are part of Grafana itself).
import React from 'react';
import { getValueFormat, formattedValueToString } from '@grafana/data';
import { END, SPAN, named, series } from './data.js';

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

function TimeAxis({ left, width, y }) {
  const ticks = width > 600 ? 6 : 3;
  const marks = Array.from({ length: ticks + 1 }, (_, n) => END - SPAN + (SPAN * n) / ticks);
  return marks.map((at, n) => (
    <text key={n} x={left + (width * n) / ticks} y={y} fill="#9fa7b3" fontSize="12"
      textAnchor={n === 0 ? 'start' : n === ticks ? 'end' : 'middle'}>{clock(at)}</text>
  ));
}

export async function bands(panel) {
  const found = [];
  for (const target of panel.targets) {
    for (const one of await series(target)) {
      found.push({ name: named(target, one.metric).replace(/ +/g, ' ').trim(), values: one.values });
    }
  }
  return found.sort((a, b) => a.values[0][0] - b.values[0][0]);
}

// One bar a series, in the colour of its value's step; a pause of more than three steps ends a bar.
export function Timeline({ data, steps, theme, width, height }) {
  const left = 380, right = 8, bottom = 20;
  const colour = (number) => theme.visualization.getColorByName(steps.findLast((step) => number >= (step.value ?? -Infinity)).color);
  const rowHeight = Math.min(26, (height - bottom) / Math.max(data.length, 1));
  const place = (at) => left + ((at - (END - SPAN)) / SPAN) * (width - left - right);
  const pause = (3 * SPAN) / 400 + 2;
  return (
    <svg width={width} height={height}>
      {data.map((one, row) => {
        const bars = [];
        for (const [at, number] of one.values) {
          const last = bars.at(-1);
          if (last && at - last[1] < pause) last[1] = at;
          else bars.push([at, at, Number(number)]);
        }
        const y = row * rowHeight;
        return (
          <g key={one.name}>
            <text x={left - 8} y={y + rowHeight * 0.68} fill="#ccccdc" fontSize="12" textAnchor="end">{one.name}</text>
            {bars.map(([from, until, number]) => (
              <rect key={from} x={place(from)} y={y + rowHeight * 0.1} rx="1" fill={colour(number)}
                width={Math.max(place(until) - place(from), 3)} height={rowHeight * 0.8} />
            ))}
          </g>
        );
      })}
      <TimeAxis left={left} width={width - left - right} y={height - 4} />
    </svg>
  );
}

// Prometheus counts what is at most `le`; a cell is what lies between two of them.
export async function cells(panel) {
  const found = await series(panel.targets[0]);
  const rows = found.map((one) => ({ edge: one.metric.le === '+Inf' ? Infinity : Number(one.metric.le), values: new Map(one.values) }));
  rows.sort((a, b) => a.edge - b.edge);
  const times = [...new Set(found.flatMap((one) => one.values.map(([at]) => at)))].sort((a, b) => a - b);
  return rows.map((row, n) => ({
    edge: row.edge,
    counts: times.map((at) => [
      at, Math.max(0, Number(row.values.get(at) ?? 0) - (n ? Number(rows[n - 1].values.get(at) ?? 0) : 0)),
    ]),
  }));
}

const SHADES = ['#deebf7', '#c6dbef', '#9ecae1', '#6baed6', '#4292c6', '#2171b5', '#08519c'];

export function Heatmap({ data, unit, width, height }) {
  const used = data.filter((row) => row.counts.some(([, count]) => count > 0));
  const most = Math.max(...used.flatMap((row) => row.counts.map(([, count]) => count)));
  const left = 60, bottom = 20;
  const rowHeight = (height - bottom) / Math.max(used.length, 1);
  const place = (at) => left + ((at - (END - SPAN)) / SPAN) * (width - left);
  const cell = Math.max((width - left) / 400, 1.5) + 0.3;
  const text = getValueFormat(unit);
  // On a dark page few is dark and many is light, by the cube root, or rare slow answers would not be seen.
  const shade = (count) => SHADES[SHADES.length - 1 - Math.floor(Math.cbrt(count / most) * (SHADES.length - 1))];
  return (
    <svg width={width} height={height}>
      {used.map((row, n) => {
        const y = height - bottom - (n + 1) * rowHeight;
        const edge = Number.isFinite(row.edge) ? formattedValueToString(text(row.edge)) : '∞';
        return (
          <g key={row.edge}>
            <text x={left - 6} y={y + rowHeight * 0.5 + 4} fill="#9fa7b3" fontSize="11" textAnchor="end">{edge}</text>
            {row.counts.filter(([, count]) => count > 0).map(([at, count]) => (
              <rect key={at} x={place(at)} y={y} width={cell} height={rowHeight - 0.5} fill={shade(count)} />
            ))}
          </g>
        );
      })}
      <TimeAxis left={left} width={width - left} y={height - 4} />
    </svg>
  );
}
