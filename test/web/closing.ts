import { closeStages } from "./support/stage.ts";

// This ends the whole run: every file of this folder plays on the same stages.
after(closeStages);
