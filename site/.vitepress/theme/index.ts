/** The default theme, without its web fonts. */

import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme-without-fonts";
import "./style.css";

const theme: Theme = {
  extends: DefaultTheme,
  enhanceApp({ router }) {
    router.onBeforeRouteChange = (to) => {
      if (!/\/(reference|play)\//.test(to)) return true;
      // These pages are not of vitepress.
      location.href = to;
      return false;
    };
  },
};

export default theme;
