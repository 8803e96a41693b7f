// What the report says.

import report from '../../locales/en/report.json';
import { texts } from '../lib/i18n.js';

export const t = texts(report);
