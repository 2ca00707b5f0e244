"""Where committed crossings go."""
