import { describe, expect, it } from 'vitest';
import { joinLayers, splitLayers } from '../../../src/mounts/layer-words.js';

const split = (text: string) => splitLayers('lowerdir', text);

describe('a list of layers', () => {
  it('is topmost first, and stray colons at its ends mean nothing', () => {
    expect(split('/a:/b')).toEqual({ lowers: ['/a', '/b'], data: [] });
    expect(split(':/a:')).toEqual({ lowers: ['/a'], data: [] });
    expect(split('')).toEqual({ lowers: [], data: [] });
  });

  it('has layers of data alone after two colons', () => {
    expect(split('/a:/b::/c::/d')).toEqual({ lowers: ['/a', '/b'], data: ['/c', '/d'] });
  });

  it('goes on below', () => {
    expect(split(joinLayers('/c::/d', joinLayers('/b', joinLayers('/a'))))).toEqual({
      lowers: ['/a', '/b', '/c'],
      data: ['/d'],
    });
  });

  it('keeps escapes, and what is escaped separates nothing', () => {
    expect(split('/a\\:b::/c\\:')).toEqual({ lowers: ['/a\\:b'], data: ['/c\\:'] });
  });

  it.each([
    ['/a::/b:/c', '/c follows layers of data alone, so it is one: write ::/c'],
    ['/a:::/b', 'a layer has no name'],
    ['::/b', 'a layer has no name'],
    ['/a::', 'a layer of data alone has no name'],
  ])('%s is refused as overlayfs refuses it', (text, why) => {
    expect(() => split(text)).toThrow(`cannot use lowerdir: ${why}`);
  });
});
