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
/** What a call says of that which the handler depends on; `undefined`: nothing. */
export type Evidence = 'works' | 'fails' | undefined;

interface Held {
  readonly proceed: () => void;
  readonly refuse: (reason: unknown) => void;
}

/** Pauses what goes through it while it fails. */
export interface Circuit {
  readonly wrap: (handler: AnyHandler) => AnyHandler;
  /** Why it is not closed, in words. */
  readonly problem: () => string | undefined;
  /** Lets go of what is held, and of its timer. Nothing is held any more. */
  readonly stop: () => void;
}

const stopped = (): EventsError =>
  new EventsError('EVENTS_RETRY_CIRCUIT_OPEN', 'The service stops while the circuit is open: it comes back.', {
    retryAfterMs: 100,
    uncounted: true,
  });

const iso = (time: number): string => new Date(time).toISOString();

export const checkCircuit = (options: CircuitOptions): Required<CircuitOptions> => {
  const { failureRate = 0.5, minimumCalls = 10, windowMs = 10_000, halfOpenAfterMs = 5000 } = options;
  return {
    failureRate: checkNumber('circuit.failureRate', failureRate, { min: Number.MIN_VALUE, max: 1 }),
    minimumCalls: checkNumber('circuit.minimumCalls', minimumCalls, { min: 1, whole: true }),
    windowMs: checkNumber('circuit.windowMs', windowMs, { min: 10 }),
    halfOpenAfterMs: checkNumber('circuit.halfOpenAfterMs', halfOpenAfterMs, { min: 1, max: 2 ** 31 - 1 }),
  };
};

/** Holds deliveries while it is open, in order. `weigh` tells what a failure means; `told` hears of each change. */
export const createCircuit = (
  { failureRate, minimumCalls, windowMs, halfOpenAfterMs }: Required<CircuitOptions>,
  weigh: (delivery: Delivery, reason: unknown) => Evidence,
  told: (state: State) => void,
): Circuit => {
  const tally = new Tally(windowMs);
  const held = new Set<Held>();
  let state: State = 'closed';
  /** Counts the changes of state: what began before the last one says nothing of now. */
  let epoch = 0;
  /** Half-open: whether the event that goes by as the probe is already on its way. */
  let probing = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  /** Why it is not closed, and since when, ms since the epoch. */
  let cause = '';
  let since = 0;
  let changedAt = 0;

  const become = (next: State): void => {
    state = next;
    epoch++;
    probing = false;
    changedAt = Date.now();
    clearTimeout(timer);
    told(next);
  };

  const proceed = (): void => {
    const [first] = held;
    first?.proceed();
  };

  const probe = (): void => {
    probing = false;
    // One that gives no answer does not hold the others for ever: then the next one goes by it.
    timer = setTimeout(probe, halfOpenAfterMs);
    proceed();
  };

  const open = (): void => {
    if (isStopped) return;
    become('open');
    timer = setTimeout(() => {
      become('half-open');
      probe();
    }, halfOpenAfterMs);
  };

  const close = (): void => {
    tally.clear();
    become('closed');
    // What arrives meanwhile is held too, behind these; and those that go first may open it again.
    for (const each of held) {
      if (state !== 'closed') return;
      each.proceed();
    }
  };

  const judgeProbe = (evidence: Evidence): void => {
    if (evidence === 'works') close();
    else if (evidence === 'fails') open();
    else {
      probing = false;
      const now = epoch;
      // Later: a thousand that are held and say nothing are no recursion.
      queueMicrotask(() => {
        if (now === epoch && !probing && !isStopped) proceed();
      });
    }
  };

  const count = (evidence: 'works' | 'fails'): void => {
    const now = performance.now();
    tally.add(1, evidence === 'fails' ? 1 : 0, now);
    if (evidence === 'works') return;
    const [calls, failures] = tally.sums(now);
    if (calls < minimumCalls || failures / calls < failureRate) return;
    since = Date.now();
    cause = `${failures} of ${calls} calls failed (${Math.round((100 * failures) / calls)} %) within ${windowMs} ms`;
    open();
  };

  const record = (begun: number, evidence: Evidence): void => {
    if (begun !== epoch || isStopped) return;
    if (state === 'half-open') judgeProbe(evidence);
    else if (evidence) count(evidence);
  };

  const call = (handler: AnyHandler, ...given: Parameters<AnyHandler>): unknown => {
    const begun = epoch;
    probing = state === 'half-open';
    const failed = (thrown: unknown): never => {
      record(begun, weigh(given[1], asReason(thrown)));
      throw thrown;
    };
    const worked = (value: unknown): unknown => {
      record(begun, 'works');
      return value;
    };
    let result: unknown;
    let later: Promise<unknown> | undefined;
    try {
      result = handler(...given);
      // A promise of its own kind may throw, or call back twice: what comes of it is what `await` makes of it.
      if (isThenable(result)) later = Promise.resolve(result);
    } catch (thrown) {
      return failed(thrown);
    }
    return later ? later.then(worked, failed) : worked(result);
  };

  /** Calls `begin` when its turn has come; rejects when it may not begin any more. */
  const hold = ({ signal }: Delivery, begin: () => unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        held.delete(entry);
        signal.removeEventListener('abort', abort);
      };
      const entry: Held = {
        proceed() {
          leave();
          try {
            resolve(begin());
          } catch (thrown) {
            reject(thrown);
          }
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
      if (state === 'closed' && !held.size) return call(handler, event, delivery);
      if (isStopped) throw stopped();
      if (state === 'half-open' && !probing) return call(handler, event, delivery);
      return hold(delivery, () => call(handler, event, delivery));
    },
    problem() {
      if (state === 'closed') return undefined;
      const next =
        state === 'open'
          ? `it is probed at ${iso(changedAt + halfOpenAfterMs)}`
          : probing
            ? 'a probe is on its way'
            : 'the next event is its probe';
      return `is ${state}, not closed since ${iso(since)}: ${cause}; ${next}`;
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      for (const each of [...held]) each.refuse(stopped());
    },
  };
};
