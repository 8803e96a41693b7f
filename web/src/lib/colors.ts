// Level colours. A state may bring its own; whatever it brings, text on a bar stays readable
// (WCAG 2.2, 1.4.3: at least 4.5:1).

export interface LevelColor {
    background: string;
    text: string;
}

/** As the server sends them in metadata.subjectN.colors. */
export interface TenantColor {
    bg_color?: string;
    text_color?: string;
}

const WHITE = '#ffffff';
const INK = '#14202b';
const ENOUGH = 4.5;

/** The four customary hues, green and blue darkened until white is readable on them. */
const DEFAULT_FOUR: LevelColor[] = [
    { background: '#b3261e', text: WHITE },
    { background: '#f0c52e', text: INK },
    { background: '#4a7f0c', text: WHITE },
    { background: '#1a67ae', text: WHITE }
];

/** For subjects with another number of levels: from weak to strong along the same hues. */
const DEFAULT_OTHER: Record<number, string[]> = {
    2: ['#b3261e', '#1a67ae'],
    3: ['#b3261e', '#f0c52e', '#1a67ae'],
    5: ['#b3261e', '#e8892b', '#f0c52e', '#4a7f0c', '#1a67ae'],
    6: ['#b3261e', '#e8892b', '#f0c52e', '#4a7f0c', '#1a67ae', '#3f3a8c']
};

function channels(hex: string): [number, number, number] | null {
    const m = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(hex.trim());
    if (!m) {
        return null;
    }
    let digits = m[1]!;
    if (digits.length === 3) {
        digits = [...digits].map((d) => d + d).join('');
    }
    const n = parseInt(digits, 16);
    return [n >> 16, (n >> 8) & 255, n & 255];
}

/** Relative luminance as WCAG defines it, 0 to 1. */
export function luminance(hex: string): number {
    const rgb = channels(hex);
    if (!rgb) {
        return NaN;
    }
    const [r, g, b] = rgb.map((v) => {
        const c = v / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: string, b: string): number {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** The wished text colour if it can be read, else the better of ink and white. */
export function readableText(background: string, wished?: string): string {
    if (wished && contrast(background, wished) >= ENOUGH) {
        return wished;
    }
    const dark = contrast(background, INK) >= ENOUGH ? INK : '#000000';
    return contrast(background, WHITE) >= ENOUGH || contrast(background, WHITE) > contrast(background, dark)
        ? WHITE
        : dark;
}

function normal(hex: string): string | null {
    const rgb = channels(hex);
    return rgb && '#' + rgb.map((v) => v.toString(16).padStart(2, '0')).join('');
}

/**
 * Colours of n levels. Where the state's colour is missing or no colour at all, the default of that
 * level is taken.
 */
export function levelColors(n: number, tenant?: TenantColor[] | null): LevelColor[] {
    const defaults = DEFAULT_OTHER[n]?.map((background) => ({ background, text: readableText(background) })) ?? DEFAULT_FOUR;
    return Array.from({ length: n }, (_, i) => {
        const fallback = defaults[Math.min(i, defaults.length - 1)]!;
        const background = normal(tenant?.[i]?.bg_color ?? '');
        if (!background) {
            return fallback;
        }
        const wished = normal(tenant?.[i]?.text_color ?? '');
        return { background, text: readableText(background, wished ?? undefined) };
    });
}
