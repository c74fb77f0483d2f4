import { useText } from "../language.ts";

/** Small charts without a library: SVG by attributes only, so that no style is ever inline. */

export type Bar = {
  readonly label: string;
  readonly parts: readonly number[];
  readonly title: string;
};

const WIDTH = 640;
const HEIGHT = 200;
/** Room for the words above and below, also on a phone, where they are larger. */
const HEAD = 36;
const FOOT = 34;
const GAP = 0.35;
const MAX_BAR = 56;
/** Three digits, never rounded up. */
const CUT: Intl.NumberFormatOptions & { roundingMode: "trunc" } = {
  notation: "compact",
  maximumSignificantDigits: 3,
  roundingMode: "trunc",
};

type ChartProps = {
  readonly label: string;
  /** What the numbers count, such as a token's symbol. */
  readonly unit?: string;
};

export function BarChart(props: ChartProps & { bars: readonly Bar[] }) {
  const { bars, label, unit } = props;
  const highest = Math.max(...bars.map(({ parts }) => sum(parts)), Number.MIN_VALUE);
  const step = WIDTH / Math.max(bars.length, 1);
  const width = Math.min(MAX_BAR, step * (1 - GAP));
  const every = Math.ceil(bars.length / 12);
  return (
    <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <Grid highest={highest} unit={unit} />
      {bars.map((bar, i) => {
        const x = step * i + (step - width) / 2;
        let top = HEIGHT - FOOT;
        return (
          <g key={bar.label}>
            <title>{bar.title}</title>
            {bar.parts.map((part, series) => {
              const height = ((HEIGHT - FOOT - HEAD) * part) / highest;
              top -= height;
              return (
                <rect
                  key={series}
                  class={`series-${series}`}
                  x={x}
                  y={top}
                  width={width}
                  height={Math.max(height, part > 0 ? 2 : 0)}
                  rx={Math.min(4, width / 4)}
                />
              );
            })}
            {i % every === 0 && (
              <text x={x + width / 2} y={HEIGHT - 8} text-anchor="middle">
                {bar.label}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

export type Line = { readonly name: string; readonly values: readonly number[] };

export function LineChart(
  props: ChartProps & { lines: readonly Line[]; labels: readonly string[] },
) {
  const { lines, labels, label, unit } = props;
  const highest = Math.max(...lines.flatMap(({ values }) => values), Number.MIN_VALUE);
  const x = (i: number) =>
    labels.length < 2 ? WIDTH / 2 : 12 + ((WIDTH - 24) * i) / (labels.length - 1);
  const y = (value: number) => HEIGHT - FOOT - ((HEIGHT - FOOT - HEAD) * value) / highest;
  const every = Math.ceil(labels.length / 12);
  return (
    <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <Grid highest={highest} unit={unit} />
      {lines.map(({ name, values }, series) => (
        <g key={name} class={`line line-${series}`}>
          <polyline points={values.map((value, i) => `${x(i)},${y(value)}`).join(" ")} />
          {values.map((value, i) => (
            <circle key={labels[i]} cx={x(i)} cy={y(value)} r="3.5">
              <title>{`${name}, ${labels[i]}: ${value.toLocaleString()}`}</title>
            </circle>
          ))}
        </g>
      ))}
      {labels.map((text, i) =>
        i % every === 0 ? (
          <text key={text} x={x(i)} y={HEIGHT - 8} text-anchor="middle">
            {text}
          </text>
        ) : null,
      )}
    </svg>
  );
}

export function Legend({ names, line = false }: { names: readonly string[]; line?: boolean }) {
  return (
    <ul class="legend">
      {names.map((name, series) => (
        <li key={name}>
          <svg viewBox="0 0 12 12" aria-hidden="true" class={line ? `line line-${series}` : ""}>
            <circle class={line ? "" : `series-${series}`} cx="6" cy="6" r="5" />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

/** The upper line is the highest value; zero is the lowest. */
function Grid({ highest, unit = "" }: { highest: number; unit: string | undefined }) {
  const { locale } = useText();
  const lines = [0, 1, 2, 3].map((i) => HEAD + ((HEIGHT - FOOT - HEAD) * i) / 3);
  const most = highest.toLocaleString(locale, CUT);
  return (
    <g class="grid">
      {lines.map((y) => (
        <line key={y} x1="0" x2={WIDTH} y1={y} y2={y} />
      ))}
      <text x="0" y={HEAD - 9}>
        {highest === Number.MIN_VALUE ? "" : `${most} ${unit}`}
      </text>
    </g>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
