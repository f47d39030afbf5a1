import { type Awaitable, EventsError } from '@logistically/events-kernel';
import type { TransportFactory } from './handle.ts';
import { type Law, laws } from './laws.ts';
import { LayerRig, type Side } from './layer-rig.ts';
import { settingsOf } from './options.ts';
import type { Plugin } from './plugin.ts';
import { vitest } from './vitest.ts';

export interface CertifyLayerOptions {
  /** The transport for a feature that requires capabilities. */
  readonly transport?: TransportFactory;
  /** Bound of every wait, in ms: longer than the layer itself may take to give up. Default 2000. */
  readonly timeoutMs?: number;
  /** Laws that are known to be broken (`publish/never-empty`), each with the reason. A waived law that holds is a failure. */
  readonly waive?: Readonly<Record<string, string>>;
  /** Seed of the random law. Default: `EVENTS_SEED` of the environment, else a new one. */
  readonly seed?: number;
  /** How many random histories are tried. Default 15. */
  readonly runs?: number;
}

/** What came of a law on one side of a plugin; `absent` where the plugin has no layer there. */
export interface LawResult {
  readonly status: 'passed' | 'failed' | 'waived' | 'absent';
  readonly error?: unknown;
}

/** Makes the plugin under test, a new one for every law. */
export type PluginFactory = () => Awaitable<Plugin>;

/** Tries a law on one side of a plugin. For runners other than vitest, with `laws`. Never rejects. */
export const runLaw = async (
  law: Law,
  side: Side,
  factory: PluginFactory,
  options: CertifyLayerOptions = {},
): Promise<LawResult> => {
  const { timeoutMs = 2000, transport } = options;
  const waiver = options.waive?.[`${side}/${law.id}`];
  let rig: LayerRig | undefined;
  try {
    rig = await LayerRig.open(await factory(), side, { timeoutMs, ...(transport && { transport }) });
    if (!rig) return { status: 'absent' };
    await law.run(rig, settingsOf(options));
  } catch (error) {
    return waiver === undefined ? { status: 'failed', error } : { status: 'waived' };
  } finally {
    await rig?.close();
  }
  if (waiver === undefined) return { status: 'passed' };
  const message = `${side}/${law.id} is waived (${waiver}), and yet it holds: remove the waiver.`;
  return { status: 'failed', error: new EventsError('EVENTS_CONFIG', message) };
};

/**
 * Certifies a middleware, or the middleware that a feature adds, against the laws of a path: one vitest test for every law on
 * each side. Throws outside of vitest; other runners take `laws` and `runLaw`.
 */
export const certifyLayer = (factory: PluginFactory, options: CertifyLayerOptions = {}): void => {
  const { describe, test } = vitest('certifyLayer', '`laws` with `runLaw`');
  for (const side of ['publish', 'consume'] as const) {
    describe(`laws of a ${side} layer`, () => {
      for (const law of laws)
        test(`${side}/${law.id}: ${law.title}`, async (context) => {
          const { status, error } = await runLaw(law, side, factory, options);
          if (status === 'failed') throw error;
          if (status === 'absent') context.skip(`no layer on the ${side} path`);
          if (status === 'waived') context.skip(`waived: ${options.waive?.[`${side}/${law.id}`]}`);
        });
    });
  }
};
