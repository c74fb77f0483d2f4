import type { FastifyInstance } from "fastify";
import type { HttpServerOptions } from "./options.ts";
import { json, other, TOO_MUCH_READ } from "./schemas.ts";

/** Liveness asks nothing of anyone: a slow database must not get a healthy process restarted. */
export function serveOperation(
  app: FastifyInstance,
  { readiness, metrics }: HttpServerOptions,
): void {
  /** One at a time: who asks meanwhile is given the same. */
  let rendering: Promise<string> | undefined;
  const render = () => {
    rendering ??= metrics.render().finally(() => {
      rendering = undefined;
    });
    return rendering;
  };
  app.get(
    "/livez",
    { schema: { summary: "Is the process alive", response: { 200: json("It is.", "Live") } } },
    () => ({ live: true }),
  );
  app.get(
    "/readyz",
    {
      schema: {
        summary: "Should it get traffic",
        response: { 200: json("It should.", "Readiness"), 503: json("Why not.", "Readiness") },
      },
    },
    async (_request, reply) => {
      const reasons = await readiness();
      const ready = reasons.length === 0;
      return reply.code(ready ? 200 : 503).send({ ready, reasons });
    },
  );
  app.get(
    "/metrics",
    {
      schema: {
        summary: "For Prometheus",
        response: { 200: other("Exposition format.", "text/plain"), ...TOO_MUCH_READ },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await render()),
  );
}
