"""What `cordax ep` does: a heart's file in; maps, tables and one report out."""
