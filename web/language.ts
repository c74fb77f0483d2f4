import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { EN, type StringKey, type Strings } from "./strings/en.ts";

export const LANGUAGES = { en: "English", zh: "中文", it: "Italiano" } as const;
export type Language = keyof typeof LANGUAGES;

export type Translate = (key: StringKey, values?: Readonly<Record<string, unknown>>) => string;
type Text = {
  readonly t: Translate;
  readonly locale: Language;
  /** What the token is called in short. */
  readonly symbol: string;
};

const KEPT = "link-rewards.language";

/** What was chosen here before, else the first language of the browser's that there is, else English. */
export function preferredLanguage(): Language {
  const wanted = [readKept(KEPT) ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2));
  return (wanted.find((tag) => tag in LANGUAGES) as Language | undefined) ?? "en";
}

export function keepLanguage(language: Language): void {
  keep(KEPT, language);
}

/** A language is fetched when it is wanted. */
export async function loadStrings(language: Language): Promise<Strings> {
  if (language === "zh") return (await import("./strings/zh.ts")).ZH;
  if (language === "it") return (await import("./strings/it.ts")).IT;
  return EN;
}

/** Before the deployment is known its token has no name. */
export function textIn(strings: Strings, locale: Language, symbol = ""): Text {
  const t: Translate = (key, values = {}) => {
    const filled: Readonly<Record<string, unknown>> = { symbol, ...values };
    return strings[key].replace(/\{(\w+)\}/g, (_, name: string) => String(filled[name] ?? ""));
  };
  return { t, locale, symbol };
}

export const TextContext = createContext<Text>(textIn(EN, "en"));

export function useText(): Text {
  return useContext(TextContext);
}

/** Storage may be forbidden, as in some private windows: the page then forgets, and works. */
export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Nothing but comfort is kept.
  }
}

export function readKept(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

export function forget(name: string): void {
  try {
    localStorage.removeItem(name);
  } catch {
    // As above.
  }
}
