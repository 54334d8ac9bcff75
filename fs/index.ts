// The only door of `fs/`: what the store and the edges may use.

export * from './errno.js';
export * from './filesystem.js';
export type { RequestTime } from './fuse/request-times.js';
export { chainMembers } from './layer/chain-index.js';
export { checkLayerIndex, type IndexFinding } from './layer/check-index.js';
export {
  type IndexedLayer,
  indexPath,
  isUnusable,
  type SnapshotFacts,
  writeLayerIndex,
} from './layer/dir-index.js';
export { type LowerDirOptions, openLowerDir } from './layer/dir-layer.js';
export { openUpperDir, type UpperDir, type UpperDirOptions } from './layer/dir-upper.js';
export { readIndexHead } from './layer/index-file.js';
export * from './layer/layer.js';
export { MemLayer, type MemLayerOptions } from './layer/mem-layer.js';
export * from './layer/open-stack.js';
export { type Numbering, saysTheSame } from './layer/real-ids.js';
export { removeFolderTree } from './layer/remove-tree.js';
export { hasOverrides } from './layer/upper-rules.js';
export * from './mode.js';
export * from './name.js';
export {
  ID_COUNT,
  type IdRange,
  type IdRules,
  type OwnerRules,
  SQUASHES,
  type Squash,
} from './owners/id-map.js';
/** System calls for those who mount and measure (Linux); nothing is loaded before the first call. */
export * as sys from './sys/index.js';
export { deviceTransport } from './transport/dev-fuse.js';
export {
  cursorOf,
  type EventsReply,
  type EventsRequest,
  EventTap,
  eventBuffer,
  eventsOf,
  type LocalEventsRequest,
  roomForRecords,
} from './transport/event-tap.js';
export { type ExchangeReply, type ExchangeRequest, readMarker } from './transport/exchange.js';
export { fuseNativeTransport } from './transport/fuse-native.js';
export type {
  MountEnd,
  MountRequest,
  RunningMount,
  ServerFault,
  Transport,
} from './transport/transport.js';
export type { EventKind, NewEvent, SeenEvent, UnionEvent } from './union/event.js';
export { AMOUNTS } from './union/event.js';
export { EVENT_NAMES, type EventCursor } from './union/event-record.js';
export { EventStream } from './union/event-stream.js';
export type { ExplainedFolder, Explanation } from './union/explain.js';
export type { ExplainedChange } from './union/explain-changes.js';
export type { ExplainedData, ExplainedRange } from './union/explain-data.js';
export type { ExplainedLayer, LayerFinding, LayerNamer } from './union/explained-layer.js';
export { finishHandOver, type HandedOver } from './union/hand-over.js';
export { traced } from './union/trace.js';
export { Union, type UnionOptions } from './union/union.js';
export { type Walked, walk } from './union/walk.js';
