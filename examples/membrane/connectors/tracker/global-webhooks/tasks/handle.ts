import { isSigned } from '../../lib/signature'

interface Call {
  data: { type: string, delivery: string, from_user_id: number }
  headers: Record<string, string>
  parameters: { clientSecret: string }
  rawBody: string
}

export default async function handle({ data, headers, parameters, rawBody }: Call) {
  if (!isSigned(rawBody, headers['x-tracker-signature'], parameters.clientSecret)) {
    throw new UnauthorizedError('the signature is not ours')
  }
  return {
    events: [{ payload: data, selector: `user_id:${data.from_user_id}`, dedupKey: data.delivery }],
    response: { status: 201, data: 'Webhook received' },
  }
}

declare class UnauthorizedError extends Error {}
