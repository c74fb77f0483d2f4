import { type Address, isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { useEffect, useState } from "preact/hooks";

/** Hash routes: the same files work under any path. */
export type Route =
  | { readonly page: "claim"; readonly account: Address | undefined }
  | { readonly page: "audit"; readonly epoch: number | undefined };

function parseRoute(hash: string): Route {
  const [page, detail = ""] = hash.replace(/^#\/?/, "").split("/");
  if (page === "audit") {
    return { page, epoch: /^[1-9]\d{0,9}$/.test(detail) ? Number(detail) : undefined };
  }
  return { page: "claim", account: isHexOf(detail, 20) ? lowercaseHex(detail) : undefined };
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const listen = () => setHash(location.hash);
    window.addEventListener("hashchange", listen);
    return () => window.removeEventListener("hashchange", listen);
  }, []);
  return parseRoute(hash);
}
