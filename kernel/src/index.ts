export { type Codec, type JsonCodecOptions, type Payload, byteLength, jsonCodec } from './codec.ts';
export type { SubscribeOptions, Subscription } from './consumption.ts';
export { within } from './deadline.ts';
export {
  EventsError,
  type EventsErrorCode,
  type EventsErrorOptions,
  type KernelErrorCode,
  PublishError,
  type PublishFailure,
  isEventsError,
} from './error.ts';
export {
  Delivery,
  type Envelope,
  type EventHeader,
  type EventOptions,
  type HandlerContext,
  type HeaderFields,
  OutgoingEvent,
  createEnvelope,
  derive,
  originOf,
} from './event.ts';
export type { EventMap, Feature, Host } from './feature.ts';
export {
  type EventOf,
  type Handler,
  type Health,
  type Kernel,
  type KernelBase,
  type KernelOptions,
  type MatchPattern,
  type Matching,
  type Stats,
  type StopReport,
  createKernel,
} from './kernel.ts';
export type { LifecycleEvents } from './lifecycle.ts';
export { type Logger, consoleLogger } from './logger.ts';
export { CONSUME_STAGES, type ConsumeStage, type Middleware, PUBLISH_STAGES, type PublishStage } from './middleware.ts';
export {
  type Awaitable,
  type Layer,
  type Path,
  type Settle,
  asReason,
  compose,
  each,
  filter,
  promised,
  transform,
} from './path.ts';
export { Patterns, checkPattern, checkType, matches } from './pattern.ts';
export type { BatchEvent, PublishOptions } from './publisher.ts';
export { type TopicStrategy, type Topics, checkTopic, firstSegment, topicMapping } from './topic.ts';
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
