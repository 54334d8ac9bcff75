// The rows as one SVG: time against the kernel's overlayfs, a dot a contender, on a logarithmic axis; and, where the
// series were measured, lines of time and memory against layers and files. Pure: rows in, text out.

const COLORS = {
  kernel: '#8a8a8a',
  'fuse-overlayfs': '#d1603d',
  micafs: '#2f6f4f',
  store: '#1f77b4',
  view: '#7a4fb5',
  driver: '#c9a227',
};
const WIDTH = 900;
const LEFT = 320;
const RIGHT = 30;
const ROW = 22;
const PANEL = 240;

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const label = (x, y, text, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(text)}</text>`;
const stroke = (x1, y1, x2, y2, color = '#ddd') =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${color}"/>`;
const dot = (x, y, name) =>
  `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="5" fill="${COLORS[name]}"/>`;

/** A logarithmic scale from values to pixels; `ticks` are the powers of ten and their halves and doubles inside. */
function logScale(values, from, to) {
  const low = Math.log10(Math.min(...values)) - 0.05;
  const high = Math.log10(Math.max(...values)) + 0.05;
  const at = (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  const decades = Array.from({ length: 20 }, (_, n) => 10 ** (n - 8));
  // 1, 2 and 5 of each decade; of a wide range the decades alone.
  const steps = high - low > 2.5 ? [1] : [1, 2, 5];
  const ticks = decades
    .flatMap((ten) => steps.map((step) => step * ten))
    .filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
  return { at, ticks };
}

const short = (value) =>
  value >= 1_000_000
    ? `${value / 1_000_000}M`
    : value >= 1000
      ? `${value / 1000}k`
      : `${Number(value.toPrecision(2))}`;

function legend(names, y) {
  let x = LEFT;
  return names.map((name) => {
    const at = x;
    x += 30 + name.length * 8;
    return dot(at, y - 4, name) + label(at + 10, y, name);
  });
}

/** `{ svg, height }` of the workloads that the kernel took part in. */
function ratios(rows, top) {
  const shown = rows.filter(
    ({ unit, series, medians }) => unit === 's' && series === undefined && medians.kernel > 0,
  );
  if (shown.length === 0) return { svg: [], height: 0 };
  const names = Object.keys(COLORS).filter((name) => shown.some(({ medians }) => medians[name] > 0));
  const all = shown.flatMap(({ medians }) =>
    names.filter((name) => medians[name] > 0).map((name) => medians[name] / medians.kernel),
  );
  const { at, ticks } = logScale(all, LEFT, WIDTH - RIGHT);
  const [first, last] = [top + 50, top + 50 + shown.length * ROW];
  const svg = [
    label(20, top + 14, 'Time against the kernel’s overlayfs (left of 1: faster)', 'font-weight="bold"'),
    ...legend(names, top + 36),
    ...ticks.flatMap((tick) => [
      stroke(at(tick), first, at(tick), last, tick === 1 ? '#888' : '#ddd'),
      label(at(tick), last + 16, short(tick), 'text-anchor="middle"'),
    ]),
    ...shown.flatMap(({ name, medians }, n) => {
      const y = first + (n + 0.5) * ROW;
      const dots = names
        .filter((contender) => medians[contender] > 0)
        .map((contender) => dot(at(medians[contender] / medians.kernel), y, contender));
      return [label(LEFT - 12, y + 4, name, 'text-anchor="end"'), ...dots];
    }),
  ];
  return { svg, height: last + 40 - top };
}

/** `{ svg, height }` of one measure of a series. */
function lines(rows, { series, measure, title }, top) {
  const points = rows.filter((row) => row.series?.name === series && row.series.measure === measure);
  const names = Object.keys(COLORS).filter((name) => points.some(({ medians }) => medians[name] > 0));
  if (points.length < 2 || names.length === 0) return { svg: [], height: 0 };
  const [left, bottom] = [90, top + PANEL - 40];
  const x = logScale(
    points.map((row) => row.series.x),
    left,
    WIDTH - RIGHT,
  );
  const y = logScale(
    points.flatMap(({ medians }) => names.map((name) => medians[name]).filter((value) => value > 0)),
    bottom,
    top + 50,
  );
  const svg = [
    label(20, top + 14, title, 'font-weight="bold"'),
    ...legend(names, top + 36),
    ...y.ticks.flatMap((tick) => [
      stroke(left, y.at(tick), WIDTH - RIGHT, y.at(tick)),
      label(left - 8, y.at(tick) + 4, short(tick), 'text-anchor="end"'),
    ]),
    ...points.map((row) =>
      label(x.at(row.series.x), bottom + 18, short(row.series.x), 'text-anchor="middle"'),
    ),
    ...names.flatMap((name) => {
      const mine = points
        .filter(({ medians }) => medians[name] > 0)
        .map((row) => [x.at(row.series.x), y.at(row.medians[name])]);
      const path = mine.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
      return [
        `<polyline points="${path}" fill="none" stroke="${COLORS[name]}" stroke-width="2"/>`,
        ...mine.map(([px, py]) => dot(px, py, name)),
      ];
    }),
  ];
  return { svg, height: PANEL };
}

const PANELS = [
  {
    series: 'depth',
    measure: 'seconds',
    title: 'Seconds of a cold walk of the same files in 1 to 200 layers',
  },
  { series: 'scale', measure: 'seconds', title: 'Seconds of a cold walk of up to a million files' },
  {
    series: 'scale',
    measure: 'own',
    title: 'Memory of the server that nobody shares (MiB), up to a million files',
  },
];

/** An SVG document of what the rows hold; `about` is its last line. */
export function plot(rows, about) {
  const parts = [];
  let top = 20;
  for (const draw of [ratios, ...PANELS.map((panel) => (all, at) => lines(all, panel, at))]) {
    const { svg, height } = draw(rows, top);
    parts.push(...svg);
    top += height;
  }
  parts.push(label(20, top + 10, about, 'fill="#666"'));
  const height = top + 24;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    '<title>Time of each workload against the kernel’s overlayfs</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}
