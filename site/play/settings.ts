/** The settings of the pipeline: their sliders, and how they stand in the address of the page. */

/** What one can set. */
export interface Settings {
  /** Items a second that the source offers. */
  readonly rate: number;
  readonly maxItems: number;
  /** Milliseconds. */
  readonly linger: number;
  readonly concurrency: number;
  /** Batches that may wait. */
  readonly capacity: number;
  /** Milliseconds. */
  readonly handlerTime: number;
  /** Percent. */
  readonly failureRate: number;
  /** Starts a second; 0 for no limit. */
  readonly rateLimit: number;
}

/** A slider. */
export interface Setting {
  readonly name: keyof Settings;
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly value: number;
  /** Whether it changes the pipeline that runs; otherwise a new one starts. */
  readonly live: boolean;
  readonly show: (value: number) => string;
}

/** All sliders, in the order of the page. */
export const SETTINGS: readonly Setting[] = [
  {
    name: "rate",
    label: "Rate",
    hint: "what the source offers",
    ...{ min: 1, max: 200, step: 1, value: 36, live: true },
    show: (value) => `${value} items/s`,
  },
  {
    name: "maxItems",
    label: "Batch size",
    hint: "maxItems of the BatchStream",
    ...{ min: 1, max: 36, step: 1, value: 9, live: false },
    show: (value) => count(value, "item", "items"),
  },
  {
    name: "linger",
    label: "Linger",
    hint: "longest wait for a batch to fill up",
    ...{ min: 0, max: 2000, step: 50, value: 300, live: false },
    show: (value) => `${value} ms`,
  },
  {
    name: "capacity",
    label: "Capacity",
    hint: "how many batches may wait",
    ...{ min: 0, max: 16, step: 1, value: 6, live: false },
    show: (value) => count(value, "batch", "batches"),
  },
  {
    name: "concurrency",
    label: "Concurrency",
    hint: "how many handlers run at once",
    ...{ min: 1, max: 12, step: 1, value: 3, live: true },
    show: (value) => count(value, "worker", "workers"),
  },
  {
    name: "handlerTime",
    label: "Handler time",
    hint: "how long a batch takes, on average",
    ...{ min: 50, max: 3000, step: 50, value: 700, live: true },
    show: (value) => `${value} ms`,
  },
  {
    name: "failureRate",
    label: "Failure rate",
    hint: "how many handlers fail",
    ...{ min: 0, max: 100, step: 1, value: 6, live: true },
    show: (value) => `${value} %`,
  },
  {
    name: "rateLimit",
    label: "Rate limit",
    hint: "how many handlers start in a second",
    ...{ min: 0, max: 20, step: 1, value: 0, live: false },
    show: (value) => value === 0 ? "off" : `${value} starts/s`,
  },
];

/** What the page starts with. */
export const DEFAULTS: Settings = parse("");

/** Reads the hash of an address. What is missing or wrong takes its default. */
export function parse(hash: string): Settings {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const values = SETTINGS.map(({ name, min, max, step, value }) => {
    const text = given.get(name);
    const number = text === null || text.trim() === "" ? NaN : Number(text);
    if (Number.isNaN(number)) return [name, value];
    const bounded = Math.min(Math.max(number, min), max);
    return [name, min + Math.round((bounded - min) / step) * step];
  });
  return Object.fromEntries(values) as unknown as Settings;
}

/** The hash of an address. */
export function format(settings: Settings): string {
  const given = new URLSearchParams();
  for (const { name } of SETTINGS) given.set(name, String(settings[name]));
  return `#${given}`;
}

/** Whether a running pipeline can't take the change, so that a new one has to start. */
export function needsRestart(before: Settings, after: Settings): boolean {
  return SETTINGS.some(({ name, live }) => !live && before[name] !== after[name]);
}

function count(value: number, one: string, more: string): string {
  return `${value} ${value === 1 ? one : more}`;
}
