// Styles through the style object. lit's styleMap writes a style attribute on first rendering, which
// our content security policy (no inline styles) rightly refuses.

import { noChange } from 'lit';
import { directive, Directive, PartType, type ElementPart, type PartInfo } from 'lit/directive.js';

type Styles = Record<string, string>;

class Styled extends Directive {
    private last: Styles = {};

    constructor(part: PartInfo) {
        super(part);
        if (part.type !== PartType.ELEMENT) {
            throw new Error('styled() stands in the tag, not in an attribute');
        }
    }

    render(_styles: Styles): typeof noChange {
        return noChange;
    }

    override update(part: ElementPart, [styles]: [Styles]): typeof noChange {
        const { style } = part.element as HTMLElement;
        for (const name of Object.keys(this.last)) {
            if (!(name in styles)) {
                style.removeProperty(name);
            }
        }
        for (const [name, value] of Object.entries(styles)) {
            if (this.last[name] !== value) {
                style.setProperty(name, value);
            }
        }
        this.last = styles;
        return noChange;
    }
}

/** html`<span ${styled({ 'margin-left': '10%' })}>` */
export const styled = directive(Styled);
