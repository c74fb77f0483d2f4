import { useEffect, useRef, useState } from "preact/hooks";

/**
 * What `load` gives for each key, as it comes; each is asked for once, however often the keys come again. With another `run`
 * all are asked for anew. `load` must not reject.
 */
export function useEach<Key, Value>(
  keys: Iterable<Key>,
  load: (key: Key) => Promise<Value>,
  run: unknown,
): ReadonlyMap<Key, Value> {
  const [loaded, setLoaded] = useState<ReadonlyMap<Key, Value>>(new Map());
  const asked = useRef({ run, keys: new Set<Key>() });
  useEffect(() => {
    if (asked.current.run !== run) {
      asked.current = { run, keys: new Set() };
      setLoaded(new Map());
    }
    const { current } = asked;
    for (const key of keys) {
      if (current.keys.has(key)) continue;
      current.keys.add(key);
      load(key).then((value) => {
        if (asked.current === current) setLoaded((have) => new Map(have).set(key, value));
      });
    }
  });
  return loaded;
}
