"""The KPIs, one module each; `KPIS` holds them in reading order."""

from partnerkpi.kpi import Kpi
from partnerkpi.kpis.average_deal_size import average_deal_size
from partnerkpi.kpis.close_rate import close_rate
from partnerkpi.kpis.deal_success import deal_success
from partnerkpi.kpis.deal_velocity import deal_velocity
from partnerkpi.kpis.marketing_channels import marketing_channels
from partnerkpi.kpis.number_of_deals import number_of_deals
from partnerkpi.kpis.opportunity_pipeline import opportunity_pipeline
from partnerkpi.kpis.quality_score import quality_score

KPIS: tuple[Kpi, ...] = (
    average_deal_size,
    number_of_deals,
    opportunity_pipeline,
    marketing_channels,
    close_rate,
    deal_velocity,
    quality_score,
    deal_success,
)

__all__ = ["KPIS", *(k.name for k in KPIS)]
