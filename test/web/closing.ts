import { closeStage } from "./support/stage.ts";

// Of the whole run: every file of this folder plays on the one stage.
after(closeStage);
