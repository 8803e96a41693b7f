// One tooltip for all bars: on pointing, on focus, on tap. It can be pointed at itself, and Esc
// puts it away (WCAG 2.2, 1.4.13).

import { render } from 'lit';
import type { LevelColor } from '../lib/colors.js';
import { barTable, type BarCell } from './bar.js';

const GAP = 8;
const LEAVE_MS = 150;

export class BarTip {
    private readonly box = document.createElement('div');
    private shownFor: HTMLElement | null = null;
    private leaving = 0;

    /** @param colorsOf colours of the subject whose name the bar carries */
    constructor(
        private readonly host: HTMLElement,
        private readonly colorsOf: (subject: string) => LevelColor[]
    ) {
        this.box.className = 'tip';
        this.box.hidden = true;
        this.box.setAttribute('aria-hidden', 'true'); /* the bar's own label says the same */
        document.body.append(this.box);
        host.addEventListener('pointerover', (e) => this.enter(e));
        host.addEventListener('pointerout', () => this.leave());
        host.addEventListener('focusin', (e) => this.enter(e));
        host.addEventListener('focusout', () => this.hide());
        this.box.addEventListener('pointerenter', () => clearTimeout(this.leaving));
        this.box.addEventListener('pointerleave', () => this.leave());
        addEventListener('keydown', (e) => e.key === 'Escape' && this.hide());
        addEventListener('scroll', () => this.place(), { passive: true });
        addEventListener('resize', () => this.hide());
    }

    private enter(e: Event): void {
        const bar = (e.target as HTMLElement).closest<HTMLElement & { cell?: BarCell }>('.popbar');
        if (!bar?.cell || !this.host.contains(bar)) {
            return;
        }
        clearTimeout(this.leaving);
        const subject = bar.dataset['subject'] ?? '';
        render(barTable(bar.cell, subject, this.colorsOf(subject)), this.box);
        this.shownFor = bar;
        this.box.hidden = false;
        this.place();
    }

    private leave(): void {
        clearTimeout(this.leaving);
        this.leaving = window.setTimeout(() => this.hide(), LEAVE_MS);
    }

    hide(): void {
        this.box.hidden = true;
        this.shownFor = null;
    }

    /** Under the bar, or above it where the window ends. */
    private place(): void {
        if (!this.shownFor) {
            return;
        }
        if (!this.shownFor.isConnected) {
            this.hide();
            return;
        }
        const at = this.shownFor.getBoundingClientRect();
        const { offsetWidth: w, offsetHeight: h } = this.box;
        const room = document.documentElement.clientWidth - w - GAP;
        const below = at.bottom + GAP;
        const top = below + h <= innerHeight ? below : Math.max(GAP, at.top - h - GAP);
        this.box.style.left = `${Math.max(GAP, Math.min(at.left + (at.width - w) / 2, room))}px`;
        this.box.style.top = `${top}px`;
    }
}
