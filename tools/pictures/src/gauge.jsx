// A gauge: @grafana/ui keeps its own to itself since Grafana 12.
import React from 'react';
import { formattedValueToString } from '@grafana/data';

function arc(x, y, radius, from, to) {
  const point = (share) => {
    const angle = Math.PI * (1.25 - 1.5 * share);
    return `${x + radius * Math.cos(angle)} ${y - radius * Math.sin(angle)}`;
  };
  const large = (to - from) * 1.5 > 1 ? 1 : 0;
  return `M ${point(from)} A ${radius} ${radius} 0 ${large} 1 ${point(to)}`;
}

export function Gauge({ value, config, theme, width, height }) {
  const { min = 0, max = 1 } = config;
  const share = (number) => Math.min(Math.max((number - min) / (max - min), 0), 1);
  const radius = Math.min(width / 2, height * 0.58) - 12, x = width / 2, y = height * 0.58;
  const steps = config.thresholds.steps.map((step) => ({ ...step, at: share(step.value === null || step.value === -Infinity ? min : step.value) }));
  return (
    <svg width={width} height={height} fill="none">
      {steps.map((step, n) => (
        <path key={n} d={arc(x, y, radius + 8, step.at, steps[n + 1]?.at ?? 1)} stroke={theme.visualization.getColorByName(step.color)} strokeWidth="4" />
      ))}
      <path d={arc(x, y, radius - 6, 0, 1)} stroke="#2b2d33" strokeWidth="18" />
      <path d={arc(x, y, radius - 6, 0, Math.max(share(value.numeric), 0.001))} stroke={value.color} strokeWidth="18" />
      <text x={x} y={y + 10} fill={value.color} fontSize="32" fontWeight="500" textAnchor="middle">{formattedValueToString(value)}</text>
    </svg>
  );
}
