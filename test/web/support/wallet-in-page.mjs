// The page's side of a test wallet: put into every page before anything else runs. WALLET is filled in.
(() => {
  const { binding, name, icon, legacy } = WALLET;
  const listeners = [];
  const provider = {
    async request({ method, params = [] }) {
      // A thrown error would lose its code on the way, so it travels as an answer.
      const answer = await window[binding](method, params);
      if ("error" in answer) throw answer.error;
      return answer.result;
    },
    on(event, listener) {
      listeners.push({ event, listener });
    },
    removeListener(event, listener) {
      const at = listeners.findIndex((l) => l.event === event && l.listener === listener);
      if (at >= 0) listeners.splice(at, 1);
    },
  };
  window[`${binding}_emit`] = (event, value) => {
    for (const l of [...listeners]) if (l.event === event) l.listener(value);
  };
  if (legacy) {
    window.ethereum = provider;
    return;
  }
  const info = { uuid: crypto.randomUUID(), name, icon, rdns: `test.${name.toLowerCase()}` };
  const announce = () => {
    const detail = Object.freeze({ info, provider });
    window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  };
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();
