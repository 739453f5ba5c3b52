// The page.
import { createRoot } from "react-dom/client";
import { takeTokenOfAddress } from "./api/token.ts";
import { App } from "./app.tsx";
import { applyTheme } from "./ui/theme.ts";

takeTokenOfAddress();
applyTheme();
createRoot(document.getElementById("root") as HTMLElement).render(<App />);
