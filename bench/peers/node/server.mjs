// npm oidc-provider as a peer: ES256, opaque tokens, rotating refresh tokens, a Redis adapter, one process.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Redis from 'ioredis';
import { Provider } from 'oidc-provider';

const [port, redisUrl] = process.argv.slice(2);
const redis = new Redis(redisUrl, { keyPrefix: 'oidc:' });
const GRANTABLE = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

// As in the project's own example: what is consumed is a hash, the rest a string; ids of a grant in a list.
class RedisAdapter {
  constructor(name) {
    this.name = name;
    this.consumable = name === 'AuthorizationCode' || name === 'RefreshToken';
  }

  key(id) {
    return `${this.name}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    const multi = redis.multi();
    if (this.consumable) multi.hset(key, 'payload', JSON.stringify(payload));
    else multi.set(key, JSON.stringify(payload));
    if (expiresIn) multi.expire(key, expiresIn);
    if (GRANTABLE.has(this.name) && payload.grantId) {
      multi.rpush(`grant:${payload.grantId}`, key);
      multi.expire(`grant:${payload.grantId}`, 14 * 24 * 3600);
    }
    if (payload.uid) multi.set(`uid:${payload.uid}`, id, 'EX', expiresIn || 3600);
    await multi.exec();
  }

  async find(id) {
    if (!this.consumable) {
      const text = await redis.get(this.key(id));
      return text ? JSON.parse(text) : undefined;
    }
    const { payload, consumed } = await redis.hgetall(this.key(id));
    return payload ? { ...JSON.parse(payload), ...(consumed ? { consumed: Number(consumed) } : {}) } : undefined;
  }

  async findByUid(uid) {
    return this.find(await redis.get(`uid:${uid}`));
  }

  async consume(id) {
    await redis.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000));
  }

  async destroy(id) {
    await redis.del(this.key(id));
  }

  async revokeByGrantId(grantId) {
    const keys = await redis.lrange(`grant:${grantId}`, 0, -1);
    await redis.del(...keys, `grant:${grantId}`);
  }
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const provider = new Provider(`http://localhost:${port}`, {
  adapter: RedisAdapter,
  clients: [{
    client_id: 'bench', client_secret: 'bench-secret-bench-secret', redirect_uris: ['http://localhost:9/callback'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'], response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'given_name', 'family_name'] },
  cookies: { keys: ['bench-cookie-key'] },
  features: {
    clientCredentials: { enabled: true }, devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: id, name: 'Banc Essai', given_name: 'Banc', family_name: 'Essai', email: 'bench0@example.fr',
      email_verified: true,
    }),
  }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: () => true,
  rotateRefreshToken: () => true,
  ttl: { AccessToken: 600, AuthorizationCode: 60, ClientCredentials: 600, IdToken: 600, RefreshToken: 30 * 86400, Session: 43200, Grant: 43200, Interaction: 600 },
});

async function signIn(request, response) {
  const grant = new provider.Grant({ accountId: 'bench', clientId: 'bench' });
  grant.addOIDCScope('openid profile email');
  const grantId = await grant.save();
  await provider.interactionFinished(request, response, { login: { accountId: 'bench' }, consent: { grantId } });
}

const answer = provider.callback();
createServer((request, response) => {
  if (request.url.startsWith('/interaction/')) signIn(request, response).catch((fault) => response.end(String(fault)));
  else answer(request, response);
}).listen(Number(port), '127.0.0.1');
