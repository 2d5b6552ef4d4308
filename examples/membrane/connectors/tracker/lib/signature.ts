import { createHmac, timingSafeEqual } from 'crypto'

export function isSigned(rawBody: string, signature: string | undefined, secret: string): boolean {
  const own = createHmac('sha256', secret).update(rawBody).digest()
  const given = Buffer.from(signature ?? '', 'hex')
  return given.length === own.length && timingSafeEqual(own, given)
}
