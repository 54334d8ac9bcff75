// Can the kernel do this mount? Its overlayfs over the same folders that the union serves: probe, mount, unmount.

export {
  type Feature,
  type FeatureSet,
  featureNames,
  featureSet,
  followsRedirects,
  type OverlayFeature,
  probeFeatures,
  unknownFeatures,
} from './features.js';
export { bind, mountOverlay, mountPlan, type OverlayMounted, unmountKernel } from './mount.js';
export {
  escapeOption,
  type OverlayOptions,
  type OverlayPlan,
  overlayWords,
  planFromWords,
  planOverlay,
} from './options.js';
export { type OverlayProbe, probeHere, probeOverlay } from './probe.js';
