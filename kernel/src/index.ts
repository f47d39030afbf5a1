export { byteLength, type Codec, type JsonCodecOptions, jsonCodec, type Payload } from './codec.ts';
export type { SubscribeOptions, Subscription } from './consumption.ts';
export { createKernel } from './create-kernel.ts';
export { within } from './deadline.ts';
export { Delivery, type DeliveryChanges, type HandlerContext, originOf } from './delivery.ts';
export { derive } from './derive.ts';
export { createEnvelope, type Envelope, type EventHeader, type HeaderFields } from './envelope.ts';
export {
  EventsError,
  type EventsErrorCode,
  type EventsErrorOptions,
  isEventsError,
  type KernelErrorCode,
  PublishError,
  type PublishFailure,
} from './error.ts';
export type { EventMap, EventOf, Handler, Matching, MatchPattern } from './event-map.ts';
export type { Feature, Host } from './feature.ts';
export type { EventBus, Health, Kernel, KernelBase, KernelOptions, Stats, StopReport } from './kernel.ts';
export type { Emit, LifecycleEvents, On } from './lifecycle.ts';
export { consoleLogger, type Logger } from './logger.ts';
export {
  CONSUME_STAGES,
  type ConsumeStage,
  type Middleware,
  PUBLISH_STAGES,
  type PublishStage,
  type WrapHandler,
} from './middleware.ts';
export { type EventOptions, type OutgoingChanges, OutgoingEvent } from './outgoing-event.ts';
export {
  type Awaitable,
  asReason,
  compose,
  each,
  filter,
  isThenable,
  type Layer,
  type Path,
  pass,
  promised,
  type Settle,
  transform,
} from './path.ts';
export { checkPattern, checkType, matches, Patterns } from './pattern.ts';
export type { BatchEvent, PublishOptions } from './publisher.ts';
export { checkTopic, firstSegment, type TopicStrategy, type Topics, topicMapping } from './topic.ts';
export type {
  Capabilities,
  Delay,
  Durable,
  Expiry,
  From,
  GroupState,
  Handoff,
  Inspect,
  Lease,
  Log,
  LogEntry,
  Order,
  Store,
  TopicState,
  Transport,
  TransportConsumer,
  TransportHost,
  TransportSubscription,
} from './transport.ts';
