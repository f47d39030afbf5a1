import type { Report } from './report.ts';

const LABEL = 'events conformance';
/** Width of a character at 11 px, about. */
const CHARACTER_PX = 6.6;
const PADDING_PX = 12;

const widthOf = (text: string): number => Math.round(text.length * CHARACTER_PX) + PADDING_PX;

const messageOf = ({ complete, counts: { passed, failed, waived } }: Report): string => {
  if (failed > 0) return `${failed} failed`;
  if (!complete) return 'incomplete';
  return waived > 0 ? `${passed} passed, ${waived} waived` : `${passed} passed`;
};

/** The result of a certification as an SVG image of 20 px height. */
export const badge = (report: Report): string => {
  const message = messageOf(report);
  const colour = !report.certified ? '#b3261e' : report.counts.waived > 0 ? '#8a6d00' : '#1a7f37';
  const [left, right] = [widthOf(LABEL), widthOf(message)];
  const width = left + right;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="${LABEL}: ${message}">
  <title>${LABEL}: ${message}</title>
  <clipPath id="round"><rect width="${width}" height="20" rx="3"/></clipPath>
  <g clip-path="url(#round)">
    <rect width="${left}" height="20" fill="#444"/>
    <rect x="${left}" width="${right}" height="20" fill="${colour}"/>
  </g>
  <g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
    <text x="${left / 2}" y="14">${LABEL}</text>
    <text x="${left + right / 2}" y="14">${message}</text>
  </g>
</svg>
`;
};
