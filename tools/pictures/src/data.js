// Asks Prometheus what a panel asks, and makes of it what Grafana's components draw.
import { FieldType, applyFieldOverrides, fieldMatchers, toDataFrame } from '@grafana/data';

const given = new URLSearchParams(location.search);
const PROMETHEUS = given.get('prometheus');
export const END = Number(given.get('end'));
export const SPAN = Number(given.get('span'));
const WINDOW = given.get('window');
// Some 400 points over the span, as Grafana asks for on a panel of this width.
const STEP = Math.max(1, Math.round(SPAN / 400));

const filled = (expression) =>
  expression
    .replaceAll('$__rate_interval', WINDOW)
    .replaceAll('$job', '.+')
    .replaceAll('$instance', '.+');

async function asked(path, parameters) {
  const answer = await fetch(`${PROMETHEUS}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== 'success') throw new Error(`${parameters.query}: ${body.error}`);
  return body.data.result;
}

export function series(target) {
  const query = filled(target.expr);
  if (target.instant) return asked('query', { query, time: END });
  return asked('query_range', { query, start: END - SPAN, end: END, step: STEP });
}

export function named(target, labels) {
  const legend = target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '');
  return legend || Object.values(labels).join(' ') || target.expr;
}

// Grafana leaves a gap where a scrape is missing; Prometheus leaves the value out.
function gapless(values) {
  const known = new Map(values);
  const times = [];
  for (let at = values[0][0]; at <= values.at(-1)[0] + STEP / 2; at += STEP) times.push(Math.round(at * 1000) / 1000);
  return times.map((at) => [at, known.get(at) ?? null]);
}

// What Grafana's registry of options would set: it is empty outside of Grafana.
function settings(panel) {
  const { defaults } = panel.fieldConfig;
  const steps = defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity }));
  return { ...defaults, thresholds: { ...defaults.thresholds, steps } };
}

// Grafana's own matchers decide whom an override is about; these two properties are all that ours set.
function override(panel, made) {
  for (const { matcher, properties } of panel.fieldConfig.overrides) {
    const matches = fieldMatchers.get(matcher.id).get(matcher.options);
    for (const frame of made) {
      const field = frame.fields[1];
      if (!matches(field, frame, made)) continue;
      for (const { id, value } of properties) {
        if (id === 'color') field.config = { ...field.config, color: value };
        else if (id === 'custom.hideFrom') field.config = { ...field.config, custom: { ...field.config.custom, hideFrom: value } };
        else throw new Error(`${panel.title}: nobody draws an override of ${id}`);
      }
    }
  }
}

export async function frames(panel, theme) {
  const made = [];
  const shared = settings(panel);
  for (const target of panel.targets) {
    for (const one of await series(target)) {
      const name = named(target, one.metric);
      const values = one.values ? gapless(one.values) : [one.value];
      const times = values.map(([at]) => at * 1000);
      const numbers = values.map(([, text]) => (text === null || text === 'NaN' ? null : Number(text)));
      made.push(
        toDataFrame({
          name,
          fields: [
            { name: 'Time', type: FieldType.time, values: times },
            { name, type: FieldType.number, values: numbers, config: { ...shared, displayNameFromDS: name }, labels: one.metric },
          ],
        }),
      );
    }
  }
  override(panel, made);
  return applyFieldOverrides({
    data: made,
    fieldConfig: { defaults: shared, overrides: [] },
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
}
