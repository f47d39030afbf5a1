import type { Case } from './case.ts';
import { backPressureCases } from './cases/back-pressure.ts';
import { delayCases } from './cases/delay.ts';
import { deliveryCases } from './cases/delivery.ts';
import { durableCases } from './cases/durable.ts';
import { foreignCases } from './cases/foreign.ts';
import { groupCases } from './cases/groups.ts';
import { handoffCases } from './cases/handoff.ts';
import { inspectCases } from './cases/inspect.ts';
import { lifecycleCases } from './cases/lifecycle.ts';
import { logCases } from './cases/log.ts';
import { modelCases } from './cases/model.ts';
import { nameCases } from './cases/name.ts';
import { orderCases } from './cases/order.ts';
import { payloadCases } from './cases/payload.ts';
import { positionCases } from './cases/position.ts';
import { publishCases } from './cases/publish.ts';
import { recoveryCases } from './cases/recovery.ts';
import { redeliveryCases } from './cases/redelivery.ts';
import { retentionCases } from './cases/retention.ts';
import { settlementCases } from './cases/settlement.ts';
import { shutdownCases } from './cases/shutdown.ts';
import { storeCases } from './cases/store.ts';

/** Every case of the suite: data, for `createSuite` or for a runner of your own. */
export const cases: readonly Case[] = [
  ...lifecycleCases,
  ...publishCases,
  ...payloadCases,
  ...deliveryCases,
  ...settlementCases,
  ...redeliveryCases,
  ...groupCases,
  ...orderCases,
  ...positionCases,
  ...backPressureCases,
  ...shutdownCases,
  ...foreignCases,
  ...retentionCases,
  ...nameCases,
  ...durableCases,
  ...logCases,
  ...storeCases,
  ...delayCases,
  ...handoffCases,
  ...inspectCases,
  ...modelCases,
  ...recoveryCases,
];
