// The other door of `fs/`, for who has no system calls: the union and layers in memory, which bundle for a browser. What
// is exported here imports no Node module.

export * from './errno.js';
export * from './filesystem.js';
export * from './layer/layer.js';
export { MemLayer, type MemLayerOptions } from './layer/mem-layer.js';
export * from './mode.js';
export * from './name.js';
export type { EventKind, NewEvent, UnionEvent } from './union/event.js';
export { EventStream } from './union/event-stream.js';
export type { ExplainedFolder, Explanation } from './union/explain.js';
export type { ExplainedData, ExplainedRange } from './union/explain-data.js';
export type { ExplainedLayer, LayerFinding, LayerNamer } from './union/explained-layer.js';
export { traced } from './union/trace.js';
export { Union, type UnionOptions } from './union/union.js';
