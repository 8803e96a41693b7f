// The public entry page. Works without script; script adds the language switch.

import './style/page.css';
import { texts } from './lib/i18n.js';
import { languageSwitch, translatePage } from './lib/static.js';
import landing from '../locales/en/landing.json';

const t = texts(landing);

const setTitle = () => (document.title = `${t('app.name')} – ${t('app.tagline')}`);
await translatePage();
setTitle();
languageSwitch(document.getElementById('languages')!, setTitle);
