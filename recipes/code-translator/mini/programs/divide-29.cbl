       ID DIVISION.
       PROGRAM-ID. BUTTONS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 Q PIC 9(3).
       01 R PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           DIVIDE N BY 29 GIVING Q REMAINDER R.
           DISPLAY Q " " R.
           GOBACK.
