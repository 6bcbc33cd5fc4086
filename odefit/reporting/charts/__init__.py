"""Small vector pictures for the report: scales, marks, and a panel of them as SVG."""
