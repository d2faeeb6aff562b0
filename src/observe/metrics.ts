/**
 * Numbers for Prometheus (text format 0.0.4): counters, gauges that are asked when they are read,
 * and histograms. A family has a fixed set of label names; each combination of values that occurs is
 * a series. A registry is handed in; there is no global one.
 */

/** Most series of a family; beyond it values are counted under the label value "other". */
export const SERIES_MAX = 1_000;

const OTHER = "other";

/** One line of a family: labels' values in the order of the family's label names. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

/** A line of a counter; `value` only goes up. */
export interface CounterSeries {
  readonly labels: readonly string[];
  value: number;
}

interface Family {
  render(): string;
}

/** What a family is called, and what is said of it. */
interface Title {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labelNames: readonly string[];
}

/** Only goes up. */
export class Counter implements Family {
  readonly #title: Title;
  readonly #series = new Map<string, CounterSeries>();

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.#title = { name, help, type: "counter", labelNames };
    if (labelNames.length === 0) this.#series.set("", { labels: [], value: 0 });
  }

  add(labels: readonly string[], count = 1): void {
    this.series(labels).value += count;
  }

  /** The series of these labels; may be kept by who counts often. */
  series(labels: readonly string[]): CounterSeries {
    const key = labels.join("\0");
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= SERIES_MAX && labels.some((label) => label !== OTHER)) {
      return this.series(labels.map(() => OTHER));
    }
    const series = { labels, value: 0 };
    this.#series.set(key, series);
    return series;
  }

  render(): string {
    return renderFamily(this.#title, [...this.#series.values()]);
  }
}

/** Counts values into buckets with upper bounds, all in seconds. */
export class Histogram implements Family {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    for (let index = 0; index < this.#bounds.length; index++) {
      if (value > this.#bounds[index]!) continue;
      this.#counts[index] = this.#counts[index]! + 1;
      return;
    }
  }

  render(): string {
    return [...helpLines(this.#name, this.#help, "histogram"), ...this.lines("")].join("\n");
  }

  /** The samples, each with these labels (`name="value"`, apart by commas). */
  lines(labels: string): string[] {
    const before = labels === "" ? "" : `${labels},`;
    const braced = labels === "" ? "" : `{${labels}}`;
    let cumulative = 0;
    const buckets = this.#bounds.map((bound, index) => {
      cumulative += this.#counts[index]!;
      return `${this.#name}_bucket{${before}le="${bound}"} ${cumulative}`;
    });
    return [
      ...buckets,
      `${this.#name}_bucket{${before}le="+Inf"} ${this.#count}`,
      `${this.#name}_sum${braced} ${this.#sum}`,
      `${this.#name}_count${braced} ${this.#count}`,
    ];
  }
}

/** A histogram for each value of one label. */
export class LabelledHistogram implements Family {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #labelName: string;
  readonly #series = new Map<string, Histogram>();

  constructor(name: string, help: string, bounds: readonly number[], labelName: string) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#labelName = labelName;
  }

  /** The one for this label's value; may be kept. */
  series(label: string): Histogram {
    const known = this.#series.get(label);
    if (known !== undefined) return known;
    if (this.#series.size >= SERIES_MAX && label !== OTHER) return this.series(OTHER);
    const histogram = new Histogram(this.#name, this.#help, this.#bounds);
    this.#series.set(label, histogram);
    return histogram;
  }

  render(): string {
    const samples = [...this.#series].flatMap(([label, histogram]) =>
      histogram.lines(`${this.#labelName}="${escapeLabel(label)}"`)
    );
    return [...helpLines(this.#name, this.#help, "histogram"), ...samples].join("\n");
  }
}

export class MetricsRegistry {
  readonly #families: Family[] = [];

  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return this.#register(new Counter(name, help, labelNames));
  }

  gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly Sample[],
  ): void {
    this.#registerRead({ name, help, type: "gauge", labelNames }, read);
  }

  /** A gauge without labels; undefined: nobody knows. */
  number(name: string, help: string, read: () => number | undefined): void {
    this.gauge(name, help, [], () => {
      const value = read();
      return value === undefined ? [] : [{ labels: [], value }];
    });
  }

  /** A counter that somebody else counts. */
  total(name: string, help: string, read: () => number): void {
    const title = { name, help, type: "counter", labelNames: [] } as const;
    this.#registerRead(title, () => [{ labels: [], value: read() }]);
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    return this.#register(new Histogram(name, help, bounds));
  }

  labelledHistogram(
    name: string,
    help: string,
    bounds: readonly number[],
    labelName: string,
  ): LabelledHistogram {
    return this.#register(new LabelledHistogram(name, help, bounds, labelName));
  }

  /** The text that Prometheus reads. */
  render(): string {
    return this.#families.map((family) => family.render() + "\n").join("");
  }

  /** Numbers that are asked when they are read. */
  #registerRead(title: Title, read: () => readonly Sample[]): void {
    this.#register({ render: () => renderFamily(title, read()) });
  }

  #register<F extends Family>(family: F): F {
    this.#families.push(family);
    return family;
  }
}

function helpLines(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function renderFamily(
  { name, help, type, labelNames }: Title,
  samples: readonly Sample[],
): string {
  const lines = helpLines(name, help, type);
  for (const { labels, value } of samples) {
    const pairs = labelNames.map((labelName, index) =>
      `${labelName}="${escapeLabel(labels[index]!)}"`
    );
    lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`);
  }
  return lines.join("\n");
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => character === "\n" ? "\\n" : `\\${character}`);
}
