"""LightningModules: one step of SFT, of GRPO, and of an evaluation."""
