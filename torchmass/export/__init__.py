"""Results in the forms of other packages: xarray, pandas and MNE, and the files of the first."""
