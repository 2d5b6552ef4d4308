export default async function getEventSelector({ apiClient }) {
  const user = await apiClient.get('users/me')
  return {
    globalWebhookKey: 'tasks',
    globalWebhookEventSelector: `user_id:${user.id}`,
  }
}
