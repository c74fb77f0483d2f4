import { type Address, isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { useState } from "preact/hooks";
import { useText } from "../language.ts";

const ADDRESS_BYTES = 20;

type AddressFormProps = {
  readonly id: string;
  readonly label: string;
  readonly action: string;
  readonly disabled?: boolean;
  /** Gives back what speaks against this address, if anything does. */
  readonly onAddress: (address: Address) => string | undefined;
  /** What was shown for the last one no longer belongs to what stands in the field. */
  readonly onInvalid?: () => void;
};

/** Asks for one address, and says so when what was typed is not one. */
export function AddressForm(props: AddressFormProps) {
  const { id, label, action, disabled = false, onAddress, onInvalid } = props;
  const { t } = useText();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string>();
  const submit = (event: Event) => {
    event.preventDefault();
    const typed = text.trim();
    if (isHexOf(typed, ADDRESS_BYTES)) return setProblem(onAddress(lowercaseHex(typed)));
    onInvalid?.();
    return setProblem(t("welcome.invalid"));
  };
  const problemId = `${id}-problem`;
  return (
    <form onSubmit={submit} noValidate>
      <label for={id}>{label}</label>
      <div class="field">
        <input
          id={id}
          class="hex"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          placeholder="0x…"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={problem !== undefined}
          aria-describedby={problem === undefined ? undefined : problemId}
        />
        <button type="submit" disabled={disabled}>
          {action}
        </button>
      </div>
      {problem !== undefined && (
        <p class="problem" id={problemId} role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
