import { useEffect, useRef, useState } from "preact/hooks";
import { useText } from "../language.ts";

/** The browser's own reader; where it has none, pasting is left. */
type Detector = { detect(source: HTMLVideoElement): Promise<readonly { rawValue: string }[]> };
type DetectorClass = new (options: { formats: readonly string[] }) => Detector;

const LOOK_MS = 250;

export function canScan(): boolean {
  return "BarcodeDetector" in window && navigator.mediaDevices !== undefined;
}

/** The camera, until it sees a QR code. */
export function Scanner({ onText }: { onText: (text: string) => void }) {
  const { t } = useText();
  const video = useRef<HTMLVideoElement>(null);
  const [blocked, setBlocked] = useState(false);
  useEffect(() => {
    let stream: MediaStream | undefined;
    let stopped = false;
    const scan = async (view: HTMLVideoElement) => {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (stopped) return stop(stream);
      view.srcObject = stream;
      await view.play();
      const { BarcodeDetector } = window as unknown as { BarcodeDetector: DetectorClass };
      const detector = new BarcodeDetector({ formats: ["qr_code"] });
      while (!stopped) {
        const [code] = await detector.detect(view);
        if (code !== undefined) return onText(code.rawValue);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    };
    if (video.current) scan(video.current).catch(() => setBlocked(true));
    return () => {
      stopped = true;
      stop(stream);
    };
  }, []);
  if (blocked) return <p class="problem">{t("bind.noCamera")}</p>;
  return <video ref={video} class="scanner" muted playsInline />;
}

function stop(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
