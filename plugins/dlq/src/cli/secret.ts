import { withoutCredentials } from '../credentials.ts';

/** What is too short would turn up in every other word. */
const MIN_LENGTH = 4;

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** The text without the credentials of any URL, and without the password of this one. */
export const concealed = (text: string, url = ''): string => {
  let result = withoutCredentials(text);
  const { password = '' } = URL.canParse(url) ? new URL(url) : {};
  for (const secret of [password, decoded(password)])
    if (secret.length >= MIN_LENGTH) result = result.replaceAll(secret, '***');
  return result;
};
