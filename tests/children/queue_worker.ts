/**
 * Brings messages to the Worker bound as `BACK`, as a queue does, and answers with the settled
 * messages.
 */

interface Env {
  readonly BACK: { queue(name: string, messages: readonly object[]): Promise<unknown> };
}

export default {
  async fetch(request: Request, { BACK }: Env): Promise<Response> {
    const messages: object[] = await request.json();
    const timestamp = new Date();
    return Response.json(
      await BACK.queue("orders", messages.map((message) => ({ ...message, timestamp }))),
    );
  },
};
