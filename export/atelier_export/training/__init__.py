"""What every training needs: loop, state, schedule, moving average, device."""
