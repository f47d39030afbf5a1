import { asReason, type Delivery, EventsError, isThenable, type WrapHandler } from '@logistically/events-kernel';
import { checkNumber } from './check.ts';
import { Tally } from './tally.ts';

/** When a subscription is paused, and when it is tried again. */
export interface CircuitOptions {
  /** Share of the calls that fail, above 0 up to 1, from which it opens. Default 0.5. */
  readonly failureRate?: number;
  /** Fewer calls within the window say nothing. Default 10. */
  readonly minimumCalls?: number;
  /** The window over which calls are counted, in ms. Default 10 000. */
  readonly windowMs?: number;
  /** How long it stays open before one call is let through, in ms. Default 5 000. */
  readonly halfOpenAfterMs?: number;
}

type State = 'closed' | 'open' | 'half-open';
type AnyHandler = ReturnType<WrapHandler>;

interface Held {
  readonly proceed: (probe: boolean) => void;
  readonly refuse: (reason: unknown) => void;
}

/** Pauses what goes through it while it fails. */
export interface Circuit {
  readonly wrap: (handler: AnyHandler) => AnyHandler;
  /** Lets go of what is held, and of its timer. Nothing is held any more. */
  readonly stop: () => void;
}

const stopped = (): EventsError =>
  new EventsError('EVENTS_RETRY_CIRCUIT_OPEN', 'The service stops while the circuit is open: it comes back.', {
    retryAfterMs: 100,
    uncounted: true,
  });

export const checkCircuit = (options: CircuitOptions): Required<CircuitOptions> => {
  const { failureRate = 0.5, minimumCalls = 10, windowMs = 10_000, halfOpenAfterMs = 5000 } = options;
  return {
    failureRate: checkNumber('circuit.failureRate', failureRate, { min: Number.MIN_VALUE, max: 1 }),
    minimumCalls: checkNumber('circuit.minimumCalls', minimumCalls, { min: 1, whole: true }),
    windowMs: checkNumber('circuit.windowMs', windowMs, { min: 10 }),
    halfOpenAfterMs: checkNumber('circuit.halfOpenAfterMs', halfOpenAfterMs, { min: 1, max: 2 ** 31 - 1 }),
  };
};

/**
 * Holds deliveries while it is open, in order. `counts` tells which failures speak against what the handler depends on; `told`
 * hears of each change.
 */
export const createCircuit = (
  { failureRate, minimumCalls, windowMs, halfOpenAfterMs }: Required<CircuitOptions>,
  counts: (reason: unknown) => boolean,
  told: (state: State) => void,
): Circuit => {
  const tally = new Tally(windowMs);
  const held = new Set<Held>();
  let state: State = 'closed';
  let probing = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  const become = (next: State): void => {
    state = next;
    told(next);
  };

  const open = (): void => {
    if (isStopped) return;
    become('open');
    timer = setTimeout(() => {
      become('half-open');
      for (const first of held) {
        first.proceed(true);
        break;
      }
    }, halfOpenAfterMs);
  };

  const close = (): void => {
    tally.clear();
    become('closed');
    for (const each of [...held]) each.proceed(false);
  };

  const record = (failed: boolean, probe: boolean): void => {
    if (probe) {
      probing = false;
      if (failed) open();
      else close();
    } else if (state === 'closed') {
      const now = Date.now();
      tally.add(1, failed ? 1 : 0, now);
      if (!failed) return;
      const [calls, failures] = tally.sums(now);
      if (calls >= minimumCalls && failures / calls >= failureRate) open();
    }
  };

  const call = (handler: AnyHandler, given: Parameters<AnyHandler>, probe: boolean): unknown => {
    const failed = (thrown: unknown): never => {
      record(counts(asReason(thrown)), probe);
      throw thrown;
    };
    let result: unknown;
    try {
      result = handler(...given);
    } catch (thrown) {
      return failed(thrown);
    }
    if (isThenable(result))
      return Promise.resolve(result).then((value) => {
        record(false, probe);
        return value;
      }, failed);
    record(false, probe);
    return result;
  };

  /** Resolves when its turn has come, with whether it is the probe; rejects when it may not begin any more. */
  const hold = ({ signal }: Delivery): Promise<boolean> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        held.delete(entry);
        signal.removeEventListener('abort', abort);
      };
      const entry: Held = {
        proceed(probe) {
          leave();
          if (probe) probing = true;
          resolve(probe);
        },
        refuse(reason) {
          leave();
          reject(reason);
        },
      };
      const abort = (): void => entry.refuse(signal.reason);
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', abort);
      held.add(entry);
    });

  return {
    wrap: (handler) => (event, delivery) => {
      if (state === 'closed') return call(handler, [event, delivery], false);
      if (isStopped) throw stopped();
      if (state === 'half-open' && !probing) {
        probing = true;
        return call(handler, [event, delivery], true);
      }
      return hold(delivery).then((probe) => call(handler, [event, delivery], probe));
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      for (const each of [...held]) each.refuse(stopped());
    },
  };
};
