import { type Awaitable, type Delivery, type Envelope, EventsError, type Payload } from '@logistically/events-kernel';

/** What is told of a dead letter to a `poisonMessageHandler`. */
export interface PoisonMetadata {
  /** Where the event was delivered from. */
  readonly topic: string;
  readonly partition: number;
  readonly cursor: string;
  readonly group: string;
  /** The topic that it was moved to. */
  readonly dlqTopic: string;
  readonly class: string;
  readonly code: string | undefined;
  readonly fingerprint: string;
  readonly attempts: number;
  readonly redrives: number;
  /** ISO 8601, with ms. */
  readonly firstFailedAt: string;
  readonly failedAt: string;
  /** The event as the broker keeps it; empty where it was passed by reference. */
  readonly payload: Payload;
}

/** Tells the class of a dead letter: letters, digits, `.`, `-` and `_`. `undefined` leaves it to the built-in classes. */
export type Classify = (error: unknown, delivery: Delivery) => string | undefined;

export interface DlqOptions {
  /** The kind that derived topics begin with. Default `'dlq:'`. */
  readonly prefix?: string;
  /** The same as `prefix`. */
  readonly dlqStreamPrefix?: string;
  /** A topic for each class: `dlq:user-events:timeout`. Default false. */
  readonly classification?: boolean | { readonly classify: Classify };
  /** How many deliveries fail before an event is dead, where no retry plugin decides. Default 4. */
  readonly maxAttempts?: number;
  /** The same, counted without the first delivery: `3` is `maxAttempts: 4`. */
  readonly maxRetriesBeforeDLQ?: number;
  /** The wait before an event that could not be stored as a dead letter is delivered again, in ms. Default 500. */
  readonly retryMs?: number;
  /** What is removed again, once a minute. Default: nothing. */
  readonly retention?: Retention;
  /** The same as `retention`. */
  readonly dlqRetention?: Retention;
  /** Called after an event was moved. What it throws is logged and stops nothing. */
  readonly poisonMessageHandler?: (
    message: Envelope | undefined,
    error: unknown,
    metadata: PoisonMetadata,
  ) => Awaitable<void>;
  /** `false`: nothing is moved; what is there can still be listed and sent again. Default true. */
  readonly enabled?: boolean;
  /** Whether each redrive and each purge is published as an event. Default true. */
  readonly audit?: boolean;
  /** Name of the transport that `kernel.dlq` looks at. Default: the first one that offers what it takes. */
  readonly transport?: string;
}

export interface Retention {
  /** Dead letters that each partition of a dead letter topic keeps. */
  readonly maxLength?: number;
  /** How long a dead letter is kept, in ms. */
  readonly maxAgeMs?: number;
}

export interface Settings {
  readonly prefix: string;
  readonly byClass: boolean;
  readonly classify: Classify | undefined;
  readonly maxAttempts: number;
  readonly retryMs: number;
  readonly retention: Retention | undefined;
  readonly poisonMessageHandler: DlqOptions['poisonMessageHandler'];
  readonly enabled: boolean;
  readonly audit: boolean;
}

const refuse = (what: string): never => {
  throw new EventsError('EVENTS_CONFIG', `dlq(): ${what}.`);
};

/** A timer that is given more fires at once. */
const MAX_MS = 2 ** 31 - 1;

const checkBoolean = (name: string, value: unknown): void => {
  if (value !== undefined && typeof value !== 'boolean') refuse(`\`${name}\` must be true or false`);
};

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

const checkWhole = (name: string, value: number | undefined, least: number): void => {
  if (value !== undefined && (!Number.isInteger(value) || value < least))
    refuse(`\`${name}\` must be a whole number from ${least} on`);
};

/** What two names of one option say; refused where they differ. */
const either = <T>(names: string, first: T | undefined, second: T | undefined): T | undefined => {
  if (first !== undefined && second !== undefined && JSON.stringify(first) !== JSON.stringify(second))
    refuse(`${names} are two names for one thing and differ: give one of them`);
  return first ?? second;
};

/** Throws `EVENTS_CONFIG`. */
export const settingsOf = (options: DlqOptions): Settings => {
  if (!isObject(options)) refuse('it takes an object of options');
  const { maxAttempts, maxRetriesBeforeDLQ, retryMs = 500, classification = false } = options;
  checkWhole('maxAttempts', maxAttempts, 1);
  checkWhole('maxRetriesBeforeDLQ', maxRetriesBeforeDLQ, 0);
  checkWhole('retryMs', retryMs, 0);
  if (retryMs > MAX_MS) refuse(`\`retryMs\` must be ${MAX_MS} at most`);
  checkBoolean('enabled', options.enabled);
  checkBoolean('audit', options.audit);
  const fromRetries = maxRetriesBeforeDLQ === undefined ? undefined : maxRetriesBeforeDLQ + 1;
  const attempts = either('`maxAttempts` and `maxRetriesBeforeDLQ` + 1', maxAttempts, fromRetries);
  const prefix = either('`prefix` and `dlqStreamPrefix`', options.prefix, options.dlqStreamPrefix) ?? 'dlq:';
  if (!/^[\w.-]+:$/.test(prefix)) refuse('`prefix` must be letters, digits, `.`, `-` and `_`, and a colon at its end');
  const retention = either('`retention` and `dlqRetention`', options.retention, options.dlqRetention);
  if (retention !== undefined && !isObject(retention)) refuse('`retention` takes { maxLength, maxAgeMs }');
  checkWhole('retention.maxLength', retention?.maxLength, 0);
  checkWhole('retention.maxAgeMs', retention?.maxAgeMs, 1);
  const classify = typeof classification === 'boolean' ? undefined : classification?.classify;
  if (typeof classification !== 'boolean' && typeof classify !== 'function')
    refuse('`classification` takes true, false or { classify }, a function');
  const { poisonMessageHandler } = options;
  if (poisonMessageHandler !== undefined && typeof poisonMessageHandler !== 'function')
    refuse('`poisonMessageHandler` must be a function');
  return {
    prefix,
    byClass: classification !== false,
    classify,
    maxAttempts: attempts ?? 4,
    retryMs,
    retention,
    poisonMessageHandler,
    enabled: options.enabled ?? true,
    audit: options.audit ?? true,
  };
};
