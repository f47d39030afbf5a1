/** A stable, greppable error code. The kernel's own are listed in {@link KernelErrorCode}; a plugin's carry its name. */
export type EventsErrorCode = `EVENTS_${string}`;

/** Every code that the kernel itself throws. The kernel's README says for each what it means and what to do. */
export type KernelErrorCode =
  | 'EVENTS_ABORTED'
  | 'EVENTS_CONFIG'
  | 'EVENTS_DUPLICATE_NAME'
  | 'EVENTS_INVALID_NAME'
  | 'EVENTS_MISSING_CAPABILITY'
  | 'EVENTS_NOT_ENCODABLE'
  | 'EVENTS_NOT_RUNNING'
  | 'EVENTS_NO_TRANSPORT'
  | 'EVENTS_PUBLISH_FAILED'
  | 'EVENTS_TIMEOUT'
  | 'EVENTS_TOO_LARGE'
  | 'EVENTS_UNDECODABLE'
  | 'EVENTS_UNSETTLED';

const brand: unique symbol = Symbol.for('@logistically/events/error');

export interface EventsErrorOptions {
  readonly cause?: unknown;
  /** As a reason: deliver again not before this many ms. */
  readonly retryAfterMs?: number;
  /** As a reason: trying again can never help. */
  readonly permanent?: boolean;
  /** As a reason: nothing was tried. The next delivery has the same `attempt`. */
  readonly uncounted?: boolean;
}

/**
 * The error that every package of the library throws. Recognise it with {@link isEventsError} and its `code`, never by
 * `instanceof`: two copies of the kernel may live in one process.
 */
export class EventsError extends Error {
  declare readonly code: EventsErrorCode;
  declare readonly retryAfterMs: number | undefined;
  declare readonly permanent: boolean;
  declare readonly uncounted: boolean;

  constructor(code: EventsErrorCode, message: string, options: EventsErrorOptions = {}) {
    super(message, options);
    this.name = 'EventsError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.permanent = options.permanent ?? false;
    this.uncounted = options.uncounted ?? false;
  }

  get [brand](): true {
    return true;
  }
}

/** Whether `value` is an {@link EventsError}, of this copy of the kernel or of another. */
export const isEventsError = (value: unknown): value is EventsError => Object(value)[brand] === true;

/** Throws one of the kernel's own errors. */
export function fail(code: KernelErrorCode, message: string, options?: EventsErrorOptions): never {
  throw new EventsError(code, message, options);
}

/** That what was under way has been ended by a signal or by `stop`. */
export const aborted = (what: string, signal?: AbortSignal): EventsError =>
  new EventsError('EVENTS_ABORTED', `${what} was ended before it was done.`, { cause: signal?.reason });

/** An event that was not published, and why. */
export interface PublishFailure {
  /** Position in the published batch. */
  readonly index: number;
  readonly type: string;
  readonly reason: unknown;
}

/** Thrown by `publishBatch`: lists what failed and why. Every event that is not listed was stored. */
export class PublishError extends EventsError {
  declare readonly failures: readonly PublishFailure[];

  constructor(failures: readonly PublishFailure[], total: number) {
    super(
      'EVENTS_PUBLISH_FAILED',
      `${failures.length} of ${total} events were not published: see \`failures\`. The others were.`,
      { cause: failures[0]?.reason },
    );
    this.failures = failures;
  }
}
