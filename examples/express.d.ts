// As much of the types of `express` as the example needs: your project has `@types/express`.

declare module 'express' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http';

  interface Request extends IncomingMessage {
    query: Record<string, unknown>;
  }
  interface Response extends ServerResponse {
    type(name: string): this;
    status(code: number): this;
    send(body: string): this;
  }
  interface Application {
    get(path: string, handler: (request: Request, response: Response) => unknown): this;
    listen(port: number, host: string, ready: () => void): Server;
  }
  export default function express(): Application;
}
