// Draws one dashboard of classic JSON: ?dashboard=...&prometheus=...&end=...&span=...&window=...&width=...
import React, { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import '@fontsource/inter/latin-600.css';
import { ThemeContext, createTheme, dateTime } from '@grafana/data';
import { BigValue, BigValueColorMode, BigValueGraphMode, BigValueTextMode, GlobalStyles, PanelChrome, TimeSeries } from '@grafana/ui';
import { Gauge } from './gauge.jsx';
import { Heatmap, Timeline, bands, cells } from './bands.jsx';
import { END, SPAN, frames } from './data.js';

const theme = createTheme({ colors: { mode: 'dark' } });
const given = new URLSearchParams(location.search);
const WIDTH = Number(given.get('width')) - 24;
// Grafana's grid: a row is 30 pixels, between two are 8.
const ROW = 30, GAP = 8;
const RANGE = { from: dateTime((END - SPAN) * 1000), to: dateTime(END * 1000), raw: { from: 'then', to: 'now' } };
window.failures = [];
window.drawn = 0;

async function load(panel) {
  if (panel.type === 'state-timeline') return bands(panel);
  if (panel.type === 'heatmap') return cells(panel);
  return frames(panel, theme);
}

function Inside({ panel, data, width, height }) {
  const options = panel.options;
  if (!data.length) return <div style={{ textAlign: 'center', paddingTop: height / 2 - 12, color: '#9fa7b3' }}>No data</div>;
  if (panel.type === 'state-timeline') return <Timeline data={data} steps={panel.fieldConfig.defaults.thresholds.steps} theme={theme} width={width} height={height} />;
  if (panel.type === 'heatmap') return <Heatmap data={data} unit={panel.fieldConfig.defaults.unit} width={width} height={height} />;
  if (panel.type === 'stat' || panel.type === 'gauge') {
    const field = data[0].fields[1];
    const value = field.display(field.values.at(-1));
    if (panel.type === 'gauge') return <Gauge value={value} config={field.config} theme={theme} width={width} height={height} />;
    const colour = options.colorMode === 'background' ? BigValueColorMode.Background : BigValueColorMode.Value;
    return <BigValue value={value} width={width} height={height} theme={theme} colorMode={colour} textMode={BigValueTextMode.Value} graphMode={BigValueGraphMode.None} />;
  }
  return <TimeSeries frames={data} width={width} height={height} timeRange={RANGE} timeZone="utc" legend={options.legend} options={{}} />;
}

function Panel({ panel, width }) {
  const [data, setData] = useState(null);
  useEffect(() => {
    load(panel)
      .catch((error) => { window.failures.push(`${panel.title}: ${error}`); return []; })
      .then((found) => {
        if (!found.length) window.failures.push(`${panel.title}: no data`);
        setData(found);
        requestAnimationFrame(() => { window.drawn += 1; });
      });
  }, []);
  const place = panel.gridPos;
  const box = { position: 'absolute', left: (width * place.x) / 24, top: place.y * (ROW + GAP) };
  const w = (width * place.w) / 24 - GAP, h = place.h * ROW + (place.h - 1) * GAP;
  const bare = panel.type === 'stat' && panel.options.colorMode === 'background';
  return (
    <div style={box}>
      <PanelChrome title={panel.title} width={w} height={h} padding={bare ? 'none' : 'md'}>
        {(iw, ih) => data && <Inside panel={panel} data={data} width={iw} height={ih} />}
      </PanelChrome>
    </div>
  );
}

function Board() {
  const [board, setBoard] = useState(null);
  useEffect(() => { fetch(`/dashboards/${given.get('dashboard')}.json`).then((answer) => answer.json()).then(setBoard); }, []);
  if (!board) return null;
  const rows = Math.max(...board.panels.map((panel) => panel.gridPos.y + panel.gridPos.h));
  window.wanted = board.panels.filter((panel) => panel.type !== 'row').length;
  const from = new Date((END - SPAN) * 1000).toISOString().slice(11, 19), to = new Date(END * 1000).toISOString().slice(11, 19);
  return (
    <div id="board" style={{ padding: 12, width: WIDTH + 24 }}>
      <div style={{ display: 'flex', justifyContent: 'space-between', alignItems: 'baseline', margin: '0 0 6px 0' }}>
        <span style={{ fontSize: 20, fontWeight: 500 }}>{board.title}</span>
        <span style={{ color: '#9fa7b3', fontSize: 13 }}>{`${from} to ${to} UTC`}</span>
      </div>
      <div style={{ position: 'relative', height: rows * (ROW + GAP) }}>
        {board.panels.map((panel) => panel.type === 'row'
          ? <div key={panel.id} style={{ position: 'absolute', top: panel.gridPos.y * (ROW + GAP) + 8, fontWeight: 600 }}>{`⌄ ${panel.title}`}</div>
          : <Panel key={panel.id} panel={panel} width={WIDTH + GAP} />)}
      </div>
    </div>
  );
}

class Failed extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { window.failures.push(String(error.stack)); return { error }; }
  render() { return this.state.error ? <pre>{String(this.state.error.stack)}</pre> : this.props.children; }
}

// Axes are measured in the font that they are drawn in: it has to be there first.
await Promise.all([400, 500, 600].map((weight) => document.fonts.load(`${weight} 12px Inter`)));
createRoot(document.getElementById('root')).render(
  <Failed><ThemeContext.Provider value={theme}><GlobalStyles /><Board /></ThemeContext.Provider></Failed>,
);
